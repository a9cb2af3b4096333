//! The `tollgate` executable.

fn main() {}
