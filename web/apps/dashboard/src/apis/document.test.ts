import { expect, it } from 'vitest';
import { resourcesOf } from './document';

it('lists the methods of each resource', () => {
  const document = {
    resources: {
      '/': {},
      '/tickets': {
        resourceMethods: {
          GET: { operationName: 'listTickets', apiKeyRequired: true },
          POST: { summary: 'Buy a ticket' },
        },
      },
    },
  };
  expect(resourcesOf(document)).toEqual([
    { path: '/', methods: [] },
    {
      path: '/tickets',
      methods: [
        { httpMethod: 'GET', operationName: 'listTickets', apiKeyRequired: true },
        { httpMethod: 'POST', operationName: 'Buy a ticket', apiKeyRequired: false },
      ],
    },
  ]);
});

it.each([null, undefined, 'x', [], { resources: [] }, { resources: { '/a': null } }])(
  'makes no method of %j',
  (document) => {
    expect(resourcesOf(document).flatMap((resource) => resource.methods)).toEqual([]);
  },
);
