//! One shard's memory: arena, size classes, item layout, hash index, eviction and expiry.
