import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import { segment } from '@tollgate/ui';
import type { AnchorHTMLAttributes, ReactNode, Ref } from 'react';

/** The router's link, looking like text. */
export const TextLink = createLink(function TextAnchor(
  props: Omit<AnchorProps, 'href'> & { children?: ReactNode; ref?: Ref<HTMLAnchorElement> },
) {
  return <Anchor {...props} />;
});

/** The router's link, looking like a button. */
export const ButtonLink = createLink(function ButtonAnchor(
  props: Omit<ButtonProps, 'href'> & { children?: ReactNode; ref?: Ref<HTMLAnchorElement> },
) {
  return <Button component="a" {...props} />;
});

type SegmentAnchorProps = AnchorHTMLAttributes<HTMLAnchorElement> & { current: boolean; ref?: Ref<HTMLAnchorElement> };

/** One choice in a row of segments; whether it holds is said by the caller, for the router compares addresses loosely. */
export const SegmentLink = createLink(function SegmentAnchor({ current, children, ...props }: SegmentAnchorProps) {
  return (
    <a {...props} className={segment} aria-current={current}>
      {children}
    </a>
  );
});
