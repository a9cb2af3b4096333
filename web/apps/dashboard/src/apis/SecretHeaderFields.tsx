import { PasswordInput, TextInput } from '@mantine/core';
import classes from './Import.module.css';
import type { SecretHeader } from './importApi';

type SecretHeaderFieldsProps = {
  value: SecretHeader;
  onChange: (value: SecretHeader) => void;
  nameError: string | undefined;
  valueError: string | undefined;
};

/** A header that the gateway adds on its way to the backend. Both fields or none. */
export function SecretHeaderFields({ value: header, onChange, nameError, valueError }: SecretHeaderFieldsProps) {
  const { name, value } = header;
  return (
    <fieldset className={classes.fieldset}>
      <legend className={classes.legend}>Secret header, optional</legend>
      <p className={classes.legendHint}>
        The gateway adds it to every call it forwards, so that your backend can refuse calls that come another way.
      </p>
      <TextInput
        label="Header name"
        placeholder="X-Gateway-Secret"
        autoComplete="off"
        spellCheck={false}
        maxLength={128}
        required={value !== ''}
        withAsterisk={false}
        value={name}
        onChange={(event) => onChange({ name: event.currentTarget.value, value })}
        error={nameError}
      />
      <PasswordInput
        label="Header value"
        description="Never shown again."
        autoComplete="new-password"
        maxLength={4096}
        required={name.trim() !== ''}
        withAsterisk={false}
        value={value}
        onChange={(event) => onChange({ name, value: event.currentTarget.value })}
        error={valueError}
        visibilityToggleButtonProps={{ 'aria-label': 'Show the header value', tabIndex: 0 }}
      />
    </fieldset>
  );
}
