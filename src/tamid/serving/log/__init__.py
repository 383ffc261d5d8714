"""What the server writes down for the controller: answers, labels, times, and what went wrong."""
