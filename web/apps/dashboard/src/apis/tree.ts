/** Resources as a tree of paths. Pure. */

import type { Method, Resource } from './document';

export type PathNode = { label: string; path: string; methods: Method[]; children: PathNode[] };

/** Nests paths by segment; a segment without methods and with one child is joined with it. */
export function pathTree(resources: Resource[]): PathNode[] {
  const root: PathNode = { label: '', path: '', methods: [], children: [] };
  for (const { path, methods } of resources.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    if (methods.length > 0) nodeAt(root, path).methods.push(...methods.toSorted(byMethod));
  }
  const tree = root.children.map(joined);
  return root.methods.length > 0 ? [{ ...root, label: '/', path: '/', children: [] }, ...tree] : tree;
}

function nodeAt(root: PathNode, path: string): PathNode {
  let node = root;
  for (const segment of path.split('/').filter(Boolean)) {
    const below = `${node.path}/${segment}`;
    let child = node.children.find((candidate) => candidate.path === below);
    if (!child) {
      child = { label: `/${segment}`, path: below, methods: [], children: [] };
      node.children.push(child);
    }
    node = child;
  }
  return node;
}

function joined(node: PathNode): PathNode {
  const [only] = node.children;
  if (only && node.children.length === 1 && node.methods.length === 0) {
    return joined({ ...only, label: node.label + only.label });
  }
  return { ...node, children: node.children.map(joined) };
}

const ORDER = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'ANY'];

function byMethod(a: Method, b: Method): number {
  return ORDER.indexOf(a.httpMethod) - ORDER.indexOf(b.httpMethod);
}

/** Resources whose path, method or operation name contains the words; methods that do not match are left out. */
export function matching(resources: Resource[], q: string): Resource[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return resources;
  return resources.flatMap((resource) => {
    const methods = resource.methods.filter((method) => {
      const text = `${resource.path} ${method.httpMethod} ${method.operationName ?? ''}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    return methods.length > 0 ? [{ ...resource, methods }] : [];
  });
}

export function operationCount(resources: Resource[]): number {
  return resources.reduce((sum, { methods }) => sum + methods.length, 0);
}
