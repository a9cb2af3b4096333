import { Button, Skeleton, Stack } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { asProblem } from '@tollgate/client';
import { CodeLine, ErrorView, IconKey } from '@tollgate/ui';
import { useRef } from 'react';
import { curlLine, sampleCall } from './curl';
import { apiQuery } from './queries';
import { makeTestKey } from './testKey';

type FirstCurlProps = { apiId: string; apiName: string; stage: string; invokeUrl: string };

/** A call that works as pasted: where a key is needed, one can be made on the spot and stands in the line. */
export function FirstCurl({ apiId, apiName, stage, invokeUrl }: FirstCurlProps) {
  const { data: api, error, refetch } = useQuery(apiQuery(apiId));
  const line = useRef<HTMLDivElement>(null);
  const making = useMutation({
    mutationFn: () => makeTestKey(apiId, apiName, stage),
    // The button goes away: the focus moves to what it was for.
    onSuccess: () => line.current?.querySelector('pre')?.focus(),
  });
  if (error) return <ErrorView failure={asProblem(error)} onRetry={() => void refetch()} />;
  if (!api) return <Skeleton h={42} radius={9} role="status" aria-label="Loading a sample call" />;
  const call = sampleCall(api.resources);
  return (
    <Stack gap={10} align="stretch" w="100%" ref={line}>
      <CodeLine label={`a curl command for stage ${stage}`} text={curlLine(invokeUrl, call, making.data)} prompt />
      {making.error && <ErrorView failure={asProblem(making.error)} />}
      {call.keyed && !making.data && (
        <Button
          variant="default"
          size="xs"
          w="fit-content"
          leftSection={<IconKey size={15} aria-hidden />}
          loading={making.isPending}
          onClick={() => making.mutate()}
        >
          Make a test key for this line
        </Button>
      )}
    </Stack>
  );
}
