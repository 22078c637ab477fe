"""Everything of the platform that is not a Pulumi resource: settings, bundles, ordering, hosts, tools, rehearsal."""
