//! Tollgate, a reverse-proxy authentication gateway.
