import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import type { Session } from '../api';
import { sessionQuery } from './session';

/** Signs in by `send`, keeps the session and goes on, in place of the form, to where the person wanted to be. */
export function useEnter<Values>(send: (values: Values) => Promise<Session>, next: string | undefined) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const entering = useMutation({
    mutationFn: send,
    onSuccess: (session) => {
      queryClient.removeQueries({ queryKey: ['subscriptions'] });
      queryClient.setQueryData(sessionQuery.queryKey, session);
      router.history.replace(next ?? '/subscriptions');
    },
  });
  return {
    onSubmit: entering.mutate,
    sending: entering.isPending,
    problem: entering.error ? asProblem(entering.error) : null,
  };
}
