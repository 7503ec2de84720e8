"""The `thamesthrive` command and the builder of bundle and site. Talks; what decides is in
`collector` and `cli.builder`."""
