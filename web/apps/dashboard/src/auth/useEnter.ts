import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { asProblem, type Session } from '@tollgate/client';
import { sessionQuery } from './session';

/** Signs in or up, keeps the session and goes on to where the person wanted to be. */
export function useEnter<Values>(send: (values: Values) => Promise<Session>, next: string | undefined) {
  const queryClient = useQueryClient();
  const router = useRouter();
  const entering = useMutation({
    mutationFn: send,
    onSuccess: (session) => {
      queryClient.clear();
      queryClient.setQueryData(sessionQuery.queryKey, session);
      router.history.push(next ?? '/');
    },
  });
  return {
    enter: entering.mutate,
    sending: entering.isPending,
    problem: entering.error ? asProblem(entering.error) : null,
  };
}
