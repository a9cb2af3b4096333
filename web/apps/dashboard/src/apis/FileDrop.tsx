import { format, IconFile, IconUpload } from '@tollgate/ui';
import { type DragEvent, useState } from 'react';
import classes from './Import.module.css';

export type PickedFile = { name: string; size: number; text: string };

/** One file by drop or by choice. The input lies over the whole area, so that keyboard and screen reader have it too. */
export function FileDrop({ file, onFile }: { file: PickedFile | null; onFile: (file: PickedFile) => void }) {
  const [over, setOver] = useState(false);
  const take = async (files: FileList | null) => {
    const [chosen] = files ?? [];
    if (chosen) onFile({ name: chosen.name, size: chosen.size, text: await chosen.text() });
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void take(event.dataTransfer.files);
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- dropping is the pointer's way; the input within is everybody's
    <label
      className={classes.drop}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={onDrop}
    >
      {file ? <IconFile size={28} stroke={1.6} aria-hidden /> : <IconUpload size={28} stroke={1.6} aria-hidden />}
      <span className={classes.dropTitle}>{file ? file.name : 'Drop an OpenAPI file, or choose one'}</span>
      <span className={classes.dropHint}>
        {file ? `${format.bytes(file.size)} · choose another` : 'OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML'}
      </span>
      <input
        type="file"
        accept=".json,.yaml,.yml,application/json,application/yaml,text/yaml"
        onChange={(event) => void take(event.currentTarget.files)}
      />
    </label>
  );
}
