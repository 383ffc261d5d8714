/* Sends prepared requests over kept connections, one at a time on each, and times the answers.
 *
 *   load PORT CONNECTIONS SECONDS FILE
 *
 * FILE holds requests, each behind its length (32 bits, little-endian). Prints one JSON object:
 * answered, wrong (another status than 200), broken connections, seconds, own CPU seconds,
 * and latencies in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
#define ROOM (1 << 21)
typedef struct {
    int fd;
    size_t have, sent, which;
    double began;
    char *in;
} Link;

static char *request[MOST];
static size_t length[MOST], requests;
static uint64_t answered, wrong, broken, turn;
static float *took;
static size_t most_took = 1 << 24;
static int port;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint32_t n;
    if (file == NULL) exit(2);
    while (requests < MOST && fread(&n, 4, 1, file) == 1) {
        request[requests] = malloc(n);
        if (fread(request[requests], 1, n, file) != n) exit(2);
        length[requests++] = n;
    }
    fclose(file);
    if (requests == 0) exit(2);
}

static void push(Link *l)
{
    while (l->sent < length[l->which]) {
        ssize_t n = write(l->fd, request[l->which] + l->sent, length[l->which] - l->sent);
        if (n < 0) return; /* EAGAIN: epoll says when there is room; else reading tells */
        l->sent += (size_t)n;
    }
}

static void begin(Link *l)
{
    l->which = (size_t)(turn++ % requests);
    l->have = l->sent = 0;
    l->began = now();
    push(l);
}

static void connect_to(Link *l, int epoll)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = l};
    int one = 1;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(l->fd, (struct sockaddr *)&where, sizeof where) < 0) {
        close(l->fd);
        l->fd = -1;
        return;
    }
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &wanted);
    begin(l);
}

/* Says whether a whole answer has come; -1: it cannot be understood. */
static int whole(Link *l, int *closes)
{
    l->in[l->have] = 0;
    char *end = strstr(l->in, "\r\n\r\n");
    if (end == NULL) return 0;
    size_t head = (size_t)(end - l->in) + 4;
    *end = 0;
    char *sized = strcasestr(l->in, "\r\ncontent-length:");
    int chunked = strcasestr(l->in, "\r\ntransfer-encoding: chunked") != NULL;
    *closes = strcasestr(l->in, "\r\nconnection: close") != NULL;
    *end = '\r';
    if (sized != NULL) return l->have >= head + (size_t)atoll(sized + 17);
    if (!chunked) return -1;
    return l->have >= 5 && memcmp(l->in + l->have - 5, "0\r\n\r\n", 5) == 0;
}

static void again(Link *l, int epoll)
{
    if (l->fd >= 0) close(l->fd);
    connect_to(l, epoll);
    if (l->fd < 0) usleep(1000);
}

static void take(Link *l, int epoll)
{
    for (;;) {
        ssize_t n = read(l->fd, l->in + l->have, ROOM - 1 - l->have);
        int closes = 0, done;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            broken++;
            again(l, epoll);
            return;
        }
        l->have += (size_t)n;
        done = whole(l, &closes);
        if (done == 0 && l->have < ROOM - 1) continue;
        if (answered < most_took) took[answered] = (float)((now() - l->began) * 1e6);
        answered++;
        if (done < 0 || strncmp(l->in + 9, "200", 3) != 0) wrong++;
        if (closes) {
            again(l, epoll);
            return;
        }
        begin(l);
    }
}

static int order(const void *a, const void *b)
{
    float one = *(const float *)a, two = *(const float *)b;
    return (one > two) - (one < two);
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    port = atoi(argv[1]);
    int links = atoi(argv[2]), epoll = epoll_create1(0);
    double seconds = atof(argv[3]);
    load_file(argv[4]);
    took = malloc(most_took * sizeof(float));
    Link *link = calloc((size_t)links, sizeof(Link));
    double began = now();
    for (int i = 0; i < links; i++) {
        link[i].in = malloc(ROOM);
        connect_to(link + i, epoll);
        if (link[i].fd < 0) return 3;
    }
    struct epoll_event events[256];
    while (now() - began < seconds) {
        int n = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < n; i++) {
            Link *l = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) push(l);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(l, epoll);
        }
    }
    double ended = now();
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    double cpu = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec)
        + (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6;
    size_t kept = answered < most_took ? answered : most_took;
    qsort(took, kept, sizeof(float), order);
    double p50 = kept ? took[kept / 2] : 0, p99 = kept ? took[(size_t)((double)kept * 0.99)] : 0;
    printf("{\"answered\":%llu,\"wrong\":%llu,\"broken\":%llu,\"seconds\":%.6f,\"cpu\":%.6f,"
           "\"p50\":%.1f,\"p99\":%.1f}\n",
           (unsigned long long)answered, (unsigned long long)wrong, (unsigned long long)broken,
           ended - began, cpu, p50, p99);
    return 0;
}
