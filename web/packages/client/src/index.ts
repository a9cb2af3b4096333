export * from './json';
export * from './next';
export * from './problem';
export * from './session';
