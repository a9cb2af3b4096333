import { Problem } from '@tollgate/client';
import { graphql, query } from '@tollgate/client/graphql';

const DEPLOY = graphql(`
  mutation Deploy($input: ApiDeployInput!) {
    apiDeploy(input: $input) {
      deployment { id }
      userErrors { message code }
    }
  }
`);

/** Puts an earlier deployment on a stage. */
export async function deploy(apiId: string, stage: string, deploymentId: string): Promise<void> {
  const { apiDeploy } = await query(DEPLOY, { input: { apiId, stage, deploymentId } });
  const [refused] = apiDeploy.userErrors;
  if (refused) throw new Problem({ title: 'Not rolled back', detail: refused.message, code: refused.code });
}
