//! Docker, over its socket.
