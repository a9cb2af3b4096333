import { Anchor, Button, type AnchorProps, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { ReactNode, Ref } from 'react';

/** The router's link, looking like text. */
export const TextLink = createLink(function TextAnchor(props: Omit<AnchorProps, 'href'> & { children?: ReactNode; ref?: Ref<HTMLAnchorElement> }) {
  return <Anchor {...props} />;
});

/** The router's link, looking like a button. */
export const ButtonLink = createLink(function ButtonAnchor(
  props: Omit<ButtonProps, 'href'> & { children?: ReactNode; ref?: Ref<HTMLAnchorElement> },
) {
  return <Button component="a" {...props} />;
});
