import { expect, it } from 'vitest';
import { curlLine, sampleCall } from './curl';

const get = { httpMethod: 'GET', operationName: null, apiKeyRequired: false };
const post = { httpMethod: 'POST', operationName: null, apiKeyRequired: true };

it('prefers a GET without path parameters', () => {
  const resources = [
    { path: '/a', methods: [post] },
    { path: '/b/{id}', methods: [get] },
    { path: '/longer', methods: [post, get] },
  ];
  expect(sampleCall(resources)).toEqual({ method: 'GET', path: '/longer', keyed: false });
});

it('falls back to the root of an API without resources', () => {
  expect(curlLine('http://h/_api/x/dev/', sampleCall([]))).toBe("curl -i 'http://h/_api/x/dev/'");
});

it('names the verb and the key where needed, and stays one shell word', () => {
  expect(curlLine('http://h/dev', { method: 'POST', path: "/o'clock", keyed: true })).toBe(
    "curl -i -X POST -H 'x-api-key: YOUR_KEY' 'http://h/dev/o'\\''clock'",
  );
});

it('carries a key that was just made', () => {
  expect(curlLine('http://h/dev', { method: 'GET', path: '/a', keyed: true }, 'tk_1')).toBe(
    "curl -i -H 'x-api-key: tk_1' 'http://h/dev/a'",
  );
});
