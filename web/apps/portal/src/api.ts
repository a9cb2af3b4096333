import { request } from '@tollgate/client';

/** The portal's own JSON interface, as its back end answers. */

export type Session = { tenant: { id: string; name: string }; user: { id: string; email: string } };
export type Price = { micros: number; currency: string };
export type StatusRange = { from: number; to: number };
export type Plan = {
  id: string;
  name: string;
  description: string;
  price: Price;
  throttle: { rateLimit: number; burstLimit: number } | null;
  /** Of a billable unit, in millionths of the price's currency; 0 = included. */
  unitPriceMicros: number;
  /** Without a time zone, periods begin with the billing date. */
  quotas: { limit: number; period: 'DAY' | 'WEEK' | 'MONTH'; timeZone: string | null }[];
  /** Statuses that use up quotas, and those that are billed. */
  counting: { quota: StatusRange[]; billable: StatusRange[] } | null;
  /** Methods whose calls do not count one unit. */
  costs: { method: string; units: number | null; atMost: number | null }[];
};
export type Product = { id: string; name: string; description: string; plans: Plan[] };
export type Catalog = { tenant: { name: string }; products: Product[] };
export type Key = { id: string; value: string | null; prefix: string; previousUntil: string | null };
export type Subscription = {
  id: string;
  app: { id: string; name: string };
  product: { id: string; name: string };
  plan: { id: string; name: string };
  status: 'pending' | 'active' | 'cancelled';
  createdAt: string;
  curl: string | null;
  keys: Key[];
};

export const catalog = (signal?: AbortSignal) => request<Catalog>('GET', '/api/catalog', undefined, signal);

export const subscriptions = async (signal?: AbortSignal) =>
  (await request<{ subscriptions: Subscription[] }>('GET', '/api/subscriptions', undefined, signal)).subscriptions;

export const subscribe = (planId: string, appName: string) =>
  request<Subscription>('POST', '/api/subscriptions', { planId, appName });

export const rotateKey = (subscriptionId: string, keyId: string, graceSeconds: number) =>
  request<Key>('POST', `/api/subscriptions/${subscriptionId}/keys/${keyId}/rotate`, { graceSeconds });

export const signIn = (email: string, password: string) =>
  request<Session>('POST', '/api/session', { email, password });

/** Chooses the password of an invited account with the token from its mail, and signs in. */
export const setPassword = (token: string, password: string) =>
  request<Session>('POST', '/api/password', { token, password });

export const signUp = (name: string, email: string, password: string) =>
  request<Session>('POST', '/api/signup', { name, email, password });
