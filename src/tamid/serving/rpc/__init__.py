"""The Open Inference Protocol V2 over gRPC: a door of its own beside the port of HTTP."""
