/** What the documentation pane shows of the schema. Pure. */

import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

export type Entry = {
  name: string;
  /** Arguments, for a field that takes some. */
  args: { name: string; type: string; typeName: string }[];
  type: string | null;
  typeName: string | null;
  description: string | null;
};

export type Section = { title: string; description: string | null; entries: Entry[] };

/** A type by name, or where to begin: what can be asked and what can be changed. */
export function sections(schema: GraphQLSchema, typeName: string | undefined, search: string): Section[] {
  const type = typeName ? schema.getType(typeName) : undefined;
  const shown = type ? [type] : [schema.getQueryType(), schema.getMutationType()];
  return shown
    .filter((one) => one !== undefined && one !== null)
    .map((one) => ({
      title: one.name,
      description: one.description ?? null,
      entries: entriesOf(one).filter(naming(search)),
    }));
}

/** Whether the word is in an entry's name, whatever its case. */
function naming(search: string): (entry: Entry) => boolean {
  const word = search.toLowerCase();
  return (entry) => entry.name.toLowerCase().includes(word);
}

function entriesOf(type: GraphQLNamedType): Entry[] {
  if (isEnumType(type)) {
    return type.getValues().map((value) => ({
      name: value.name,
      args: [],
      type: null,
      typeName: null,
      description: value.description ?? null,
    }));
  }
  if (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)) {
    return Object.values<GraphQLField<unknown, unknown> | GraphQLInputField>(type.getFields()).map((field) => ({
      name: field.name,
      args: argumentsOf(field).map((arg) => ({ name: arg.name, type: String(arg.type), typeName: nameOf(arg.type) })),
      type: String(field.type),
      typeName: nameOf(field.type),
      description: field.description ?? null,
    }));
  }
  return [];
}

/** Fields of inputs take no arguments. */
function argumentsOf(field: GraphQLField<unknown, unknown> | GraphQLInputField): readonly GraphQLArgument[] {
  return 'args' in field ? field.args : [];
}

/** The type without lists and exclamation marks. */
function nameOf(type: GraphQLType): string {
  return String(type).replace(/[[\]!]/g, '');
}
