import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { Compartment, EditorState, type Extension } from '@codemirror/state';
import type { Ref } from 'react';
import { CodeEditor, type EditorHandle } from '../editor/CodeEditor';

type EditorProps = { value: string; onChange: (text: string) => void; ref?: Ref<EditorHandle> };

/** Editor of an OpenAPI document. */
export default function Editor({ value, onChange, ref }: EditorProps) {
  return (
    <CodeEditor
      label="OpenAPI document, JSON or YAML"
      hint="Paste an OpenAPI 3.0, 3.1 or Swagger 2.0 document here, JSON or YAML."
      height={340}
      value={value}
      onChange={onChange}
      extensions={jsonOrYaml(value)}
      ref={ref}
    />
  );
}

/** The language by the first character, changed when that changes. */
function jsonOrYaml(text: string): Extension {
  const language = new Compartment();
  const follow = EditorState.transactionExtender.of((transaction) => {
    if (!transaction.docChanged) return null;
    const isJson = startsJson(transaction.newDoc.sliceString(0, 200));
    if (isJson === startsJson(transaction.startState.doc.sliceString(0, 200))) return null;
    return { effects: language.reconfigure(isJson ? json() : yaml()) };
  });
  return [language.of(startsJson(text) ? json() : yaml()), follow];
}

function startsJson(text: string): boolean {
  return text.trimStart().startsWith('{');
}
