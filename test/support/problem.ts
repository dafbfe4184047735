import type { TestResponse } from './app.js';

/** The body of a refusal; further members depend on its code. */
export interface Problem {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  readonly [detail: string]: unknown;
}

// A stack frame, a statement, a constraint: what an error of ours must never show to a client.
const INTERNALS =
  /\bat [^"]*[(/][\w./-]+:\d+|node_modules|\b(SELECT|INSERT|UPDATE|DELETE)\b|_pkey|QueryFailed/;

/** Checks that an answer is problem details (RFC 9457) with all members that ours have, and returns them. */
export function expectProblem(response: TestResponse, status: number, code: string): Problem {
  const { body, headers, text } = response;
  expect({ status: response.status, code: body?.code, text }).toEqual({ status, code, text });
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
  expect(body).toMatchObject({
    type: `urn:daybook:problem:${code}`,
    title: expect.stringMatching(/^[A-Z][a-z ]+$/),
    status,
    detail: expect.stringMatching(/\S/),
    instance: expect.any(String),
    code,
    requestId: expect.stringMatching(/\S/),
  });
  expect(headers.get('x-request-id')).toBe(body.requestId);
  expect(text).not.toMatch(INTERNALS);
  if (code === 'validation_failed') expect(body.errors.length).toBeGreaterThan(0);
  return body as Problem;
}

/** Checks that a 400 names exactly these fields. */
export function expectInvalid(response: TestResponse, ...paths: string[]): Problem {
  const problem = expectProblem(response, 400, 'validation_failed');
  expect(problem.errors?.map(({ path }) => path)).toEqual(paths);
  return problem;
}
