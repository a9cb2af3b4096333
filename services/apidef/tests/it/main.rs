//! Real documents through the public interface.

#[cfg(test)]
mod documents;
