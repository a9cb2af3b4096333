import { PageHeader } from '@tollgate/ui';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { TextLink } from '../frame/links';
import { ImportForm } from './ImportForm';
import { Imported } from './Imported';
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
        <ImportForm send={(draft) => importing.mutate(draft)} sending={importing.isPending} faults={outcome?.faults ?? []} error={importing.error} />
      )}
    </div>
  );
}
