import { expect, it } from 'vitest';
import { matching, operationCount, pathTree } from './tree';

const method = (httpMethod: string, operationName: string | null = null) => ({
  httpMethod,
  operationName,
  apiKeyRequired: false,
});
const resources = [
  { path: '/tickets/{ticketId}/qr', methods: [method('GET', 'getTicketCode')] },
  { path: '/events', methods: [method('POST', 'createEvent'), method('GET', 'listEvents')] },
  { path: '/events/{eventId}', methods: [method('DELETE'), method('PATCH'), method('GET')] },
  { path: '/', methods: [] },
];

it('nests paths and joins segments that lead to one place only', () => {
  const tree = pathTree(resources);
  expect(tree.map((node) => node.label)).toEqual(['/events', '/tickets/{ticketId}/qr']);
  expect(tree[0]?.children.map((node) => node.label)).toEqual(['/{eventId}']);
});

it('orders methods as people read them', () => {
  expect(pathTree(resources)[0]?.children[0]?.methods.map((one) => one.httpMethod)).toEqual(['GET', 'PATCH', 'DELETE']);
});

it('shows the root when it has methods', () => {
  expect(pathTree([{ path: '/', methods: [method('ANY')] }]).map((node) => node.label)).toEqual(['/']);
});

it('finds by path, method and operation name together', () => {
  expect(matching(resources, 'events post').map((one) => one.path)).toEqual(['/events']);
  expect(operationCount(matching(resources, 'ticketcode'))).toBe(1);
  expect(matching(resources, '')).toBe(resources);
  expect(matching(resources, 'nothing')).toEqual([]);
});
