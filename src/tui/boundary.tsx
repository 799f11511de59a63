/** Catches what a frame throws, so that the terminal can be given back before anybody hears of it. */

import { Component, type ReactNode } from 'react'

export interface BoundaryProps {
  readonly onError: (error: unknown) => void
  readonly children: ReactNode
}

export class Boundary extends Component<BoundaryProps, { readonly failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError(): { readonly failed: boolean } {
    return { failed: true }
  }

  override componentDidCatch(error: unknown): void {
    this.props.onError(error)
  }

  override render(): ReactNode {
    return this.state.failed ? null : this.props.children
  }
}
