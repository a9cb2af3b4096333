import { request } from './json';
import { Problem } from './problem';

export type Session = { tenant: { id: string; name: string }; user: { id: string; email: string } };

/** The session of this browser, or null when nobody is signed in. */
export async function currentSession(): Promise<Session | null> {
  try {
    return await request<Session>('GET', '/api/session');
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return null;
    throw error;
  }
}

export function signIn(email: string, password: string): Promise<Session> {
  return request('POST', '/api/session', { email, password });
}

export function signUp(organization: string, email: string, password: string): Promise<Session> {
  return request('POST', '/api/signup', { organization, email, password });
}

export function signOut(): Promise<void> {
  return request('DELETE', '/api/session');
}
