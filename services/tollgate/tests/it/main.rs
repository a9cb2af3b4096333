//! The whole: its structure, and the executable from outside.

mod architecture;
