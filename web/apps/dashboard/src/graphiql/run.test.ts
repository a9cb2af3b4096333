import { expect, it } from 'vitest';
import { parseVariables } from './run';

it('reads variables as a JSON object', () => {
  expect(parseVariables('{"first": 5}')).toEqual({ first: 5 });
  expect(parseVariables(' ')).toEqual({});
});

it.each(['{first: 5}', '[1]', 'null', '7'])('refuses %s', (text) => {
  expect(() => parseVariables(text)).toThrow(/variables/i);
});
