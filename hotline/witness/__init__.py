"""A stand-alone neutral witness: C2SP tlog-witness over HTTP, for logs it was told of, with its own keys and memory."""
