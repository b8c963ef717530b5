"""The launch gate: criteria and open gaps to one verdict, and the verdict held against a launch."""
