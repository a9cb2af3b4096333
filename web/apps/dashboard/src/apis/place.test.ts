import { expect, it } from 'vitest';
import { placeOf, refusedAt } from './place';

it('writes a pointer as steps', () => {
  expect(placeOf('/paths/~1orders~1{id}/get/callbacks')).toBe('paths › /orders/{id} › get › callbacks');
  expect(placeOf('/a~01')).toBe('a~1');
});

it('takes a refusal of a document apart', () => {
  const field = 'document/paths/~1a/get';
  expect(refusedAt(field, 'line 7: /paths/~1a/get: must be an object')).toEqual({
    field,
    pointer: '/paths/~1a/get',
    line: 7,
    message: 'must be an object',
  });
});

it('leaves any other refusal as it is', () => {
  const nowhere = { pointer: null, line: null };
  expect(refusedAt('document', 'line 3: no document')).toEqual({
    field: 'document',
    pointer: null,
    line: 3,
    message: 'line 3: no document',
  });
  expect(refusedAt('stage', 'is taken')).toEqual({ field: 'stage', ...nowhere, message: 'is taken' });
  expect(refusedAt(null, 'no')).toEqual({ field: null, ...nowhere, message: 'no' });
});
