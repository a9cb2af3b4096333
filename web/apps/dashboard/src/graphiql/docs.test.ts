import { buildSchema } from 'graphql';
import { expect, it } from 'vitest';
import { sections } from './docs';

const schema = buildSchema(`
  "What can be asked." type Query { "All of them." apis(first: Int, search: String): [Api!]! me: String }
  type Mutation { apiDelete(id: ID!): Api }
  type Api { id: ID! state: State }
  enum State { ON OFF }
`);

it('begins with what can be asked and changed', () => {
  const [query, mutation] = sections(schema, undefined, '');
  expect([query?.title, mutation?.title]).toEqual(['Query', 'Mutation']);
  expect(query?.entries[0]).toEqual({
    name: 'apis',
    args: [
      { name: 'first', type: 'Int', typeName: 'Int' },
      { name: 'search', type: 'String', typeName: 'String' },
    ],
    type: '[Api!]!',
    typeName: 'Api',
    description: 'All of them.',
  });
});

it('shows a type, an enumeration and nothing of a scalar', () => {
  expect(sections(schema, 'Api', '')[0]?.entries.map((entry) => entry.name)).toEqual(['id', 'state']);
  expect(sections(schema, 'State', '')[0]?.entries.map((entry) => entry.name)).toEqual(['ON', 'OFF']);
  expect(sections(schema, 'ID', '')[0]?.entries).toEqual([]);
});

it('finds by name whatever its case, and begins anew for a type that is not there', () => {
  expect(sections(schema, undefined, 'API').map((section) => section.entries.length)).toEqual([1, 1]);
  expect(sections(schema, 'Nothing', '')[0]?.title).toBe('Query');
});
