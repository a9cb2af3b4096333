import { expect, it } from 'vitest';
import { asProblem, Problem, problemOf } from './problem';

it('reads a problem document', async () => {
  const body = {
    title: 'invalid input',
    code: 'invalid_input',
    detail: 'one field',
    errors: [{ field: 'email', message: 'is taken' }],
    request_id: 'req_1',
  };
  const problem = await problemOf(new Response(JSON.stringify(body), { status: 422 }));
  expect(problem).toMatchObject({
    title: 'one field',
    status: 422,
    code: 'invalid_input',
    requestId: 'req_1',
    fields: body.errors,
  });
});

it('keeps status and request id of an answer that is no problem document', async () => {
  const response = new Response('<h1>Bad gateway</h1>', {
    status: 502,
    statusText: 'Bad Gateway',
    headers: { 'x-request-id': 'req_2' },
  });
  expect(await problemOf(response)).toMatchObject({
    title: 'The server answered 502 Bad Gateway',
    status: 502,
    requestId: 'req_2',
  });
});

it('names an unreachable server', () => {
  expect(asProblem(new TypeError('Failed to fetch')).code).toBe('unreachable');
  const problem = new Problem({ title: 'kept' });
  expect(asProblem(problem)).toBe(problem);
});
