import { PageHeader } from '@tollgate/ui';

export function Import() {
  return <PageHeader title="Import" />;
}
