import { expect, it } from 'vitest';
import { peek } from './peek';

it('reads title and first server of a JSON document', () => {
  const document = {
    openapi: '3.1.0',
    info: { title: 'Box' },
    servers: [{ url: 'https://api.box.com/2.0' }, { url: 'https://other' }],
  };
  expect(peek(JSON.stringify(document))).toEqual({ title: 'Box', upstreamUrl: 'https://api.box.com/2.0' });
});

it('reads title and first server of a YAML document', () => {
  const text = `openapi: 3.0.0
info:
  version: 1.0.0
  title: "Museum API" # the name
  contact:
    name: ignored
servers:
  - url: 'https://museum.example/v1'
    description: production
paths:
  /title:
    get: {}
`;
  expect(peek(text)).toEqual({ title: 'Museum API', upstreamUrl: 'https://museum.example/v1' });
});

it('reads list items that are not indented', () => {
  expect(peek('info:\n  title: A\nservers:\n- url: http://a.example\npaths: {}\n').upstreamUrl).toBe(
    'http://a.example',
  );
});

it('puts the address of a Swagger 2.0 document together', () => {
  expect(
    peek(JSON.stringify({ swagger: '2.0', host: 'slack.com', basePath: '/api', schemes: ['https'] })).upstreamUrl,
  ).toBe('https://slack.com/api');
  expect(peek('swagger: "2.0"\nhost: petstore.example\nbasePath: /\nschemes:\n  - http\n').upstreamUrl).toBe(
    'http://petstore.example',
  );
});

it.each(['/v1', 'https://{region}.example', ''])('leaves the address %s to the person', (url) => {
  expect(peek(JSON.stringify({ servers: [{ url }] })).upstreamUrl).toBeUndefined();
});

it('makes nothing of a broken document', () => {
  expect(peek('{"info":')).toEqual({});
  expect(peek('')).toEqual({ title: undefined, upstreamUrl: undefined });
});
