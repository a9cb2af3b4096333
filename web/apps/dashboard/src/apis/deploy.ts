import { Problem } from '@tollgate/client';
import { graphql, query } from '@tollgate/client/graphql';

const DEPLOY = graphql(`
  mutation Deploy($input: ApiDeployInput!) {
    apiDeploy(input: $input) {
      status
      errors { message reason }
    }
  }
`);

const ROLL_BACK = graphql(`
  mutation RollBack($input: ApiRollbackInput!) {
    apiRollback(input: $input) {
      status
      errors { message reason }
    }
  }
`);

/** Puts the document as it is now on a stage. */
export async function deploy(apiId: string, stage: string): Promise<void> {
  const { apiDeploy } = await query(DEPLOY, { input: { apiId, stage } });
  refuse('Not deployed', apiDeploy.errors);
}

/** Puts an earlier deployment on a stage, or a later one again. */
export async function rollBack(apiId: string, stage: string, deploymentId: string): Promise<void> {
  const { apiRollback } = await query(ROLL_BACK, { input: { apiId, stage, deploymentId } });
  refuse('Not rolled back', apiRollback.errors);
}

function refuse(title: string, errors: { message: string; reason: string }[]): void {
  const [error] = errors;
  if (error) throw new Problem({ title, detail: error.message, code: error.reason });
}
