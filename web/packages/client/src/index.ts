export * from './json';
export * from './problem';
export * from './session';
