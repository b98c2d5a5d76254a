"""MongoDB, as all other rooms use it: collections, calls with a time limit, leases, the server's errors."""
