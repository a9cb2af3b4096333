import { TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { Card, format, IconChevron, IconSearch, MethodTag } from '@tollgate/ui';
import { useMemo } from 'react';
import classes from './ApiPage.module.css';
import type { ApiDetail } from './queries';
import { matching, operationCount, type PathNode, pathTree } from './tree';

const route = getRouteApi('/signed-in/apis/$apiId');

/** Up to this many operations the tree starts unfolded. */
const UNFOLDED = 60;

/** Paths and methods as a tree with a search. */
export function Resources({ api }: { api: ApiDetail }) {
  const { q = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const search = useDebouncedCallback(
    (words: string) => void navigate({ search: words ? { q: words } : {}, replace: true }),
    200,
  );
  const found = useMemo(() => matching(api.resources, q), [api.resources, q]);
  const tree = useMemo(() => pathTree(found), [found]);
  const count = operationCount(found);
  return (
    <Card
      title={q ? format.plural(count, 'matching operation') : 'Resources'}
      aside={
        <TextInput
          type="search"
          size="xs"
          w={220}
          aria-label="Search operations by path, method or name"
          placeholder="Path, method or name"
          leftSection={<IconSearch size={14} aria-hidden />}
          defaultValue={q}
          onChange={(event) => search(event.currentTarget.value.trim())}
        />
      }
    >
      {tree.length === 0 && (
        <p className={classes.quiet}>{q ? 'No operation matches.' : 'This API has no operation yet.'}</p>
      )}
      <ul className={classes.tree}>
        {tree.map((node) => (
          <Node key={node.path} node={node} open={count <= UNFOLDED} />
        ))}
      </ul>
    </Card>
  );
}

function Node({ node, open }: { node: PathNode; open: boolean }) {
  if (node.children.length === 0) {
    return (
      <li>
        <div className={classes.node}>
          <Line node={node} />
        </div>
      </li>
    );
  }
  return (
    <li>
      <details open={open}>
        <summary className={classes.node}>
          <IconChevron size={15} className={classes.chevron} aria-hidden />
          <Line node={node} />
          {!open && <span className={classes.count}>{format.count(below(node))} below</span>}
        </summary>
        <ul>
          {node.children.map((child) => (
            <Node key={child.path} node={child} open={open} />
          ))}
        </ul>
      </details>
    </li>
  );
}

function Line({ node }: { node: PathNode }) {
  const [only] = node.methods;
  return (
    <>
      <span className={classes.path}>{node.label}</span>
      <span className={classes.methods}>
        {node.methods.map((method) => (
          <MethodTag key={method.httpMethod} method={method.httpMethod} />
        ))}
      </span>
      {only?.operationName && node.methods.length === 1 && (
        <span className={classes.operation}>{only.operationName}</span>
      )}
    </>
  );
}

function below(node: PathNode): number {
  return node.children.reduce((sum, child) => sum + child.methods.length + below(child), 0);
}
