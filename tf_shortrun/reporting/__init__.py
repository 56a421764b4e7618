"""What becomes of the numbers of a run: files of results, pages, charts, studies."""
