import { useMutation, useQueryClient } from '@tanstack/react-query';
import { PageHeader } from '@tollgate/ui';
import { TextLink } from '../frame/links';
import { Imported } from './Imported';
import { ImportForm } from './ImportForm';
import { importApi } from './importApi';

/** From a document to a callable API: one form, then the address to call. */
export function Import() {
  const queryClient = useQueryClient();
  const importing = useMutation({
    mutationFn: importApi,
    onSuccess: (outcome) => {
      if (outcome.api) void queryClient.invalidateQueries({ queryKey: ['apis'] });
    },
  });
  const outcome = importing.data;

  return (
    <div>
      <div style={{ maxWidth: 860 }}>
        <PageHeader
          title={outcome?.api ? 'API imported' : 'New API'}
          above={
            <TextLink to="/apis" search={{}} size="sm">
              APIs
            </TextLink>
          }
        />
        {outcome?.api ? (
          <Imported imported={outcome.api} warnings={outcome.warnings} onAnother={() => importing.reset()} />
        ) : (
          <ImportForm
            send={(draft) => importing.mutate(draft)}
            sending={importing.isPending}
            faults={outcome?.faults ?? []}
            error={importing.error}
          />
        )}
      </div>
    </div>
  );
}
