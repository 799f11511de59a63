/** Where traces go that the user gave no name, and reports of our own mistakes. */

export const OWN_DIRECTORY = '.vtick'
