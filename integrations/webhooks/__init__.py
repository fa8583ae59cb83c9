"""What other systems send (signals, SBOMs, deployments): signed, checked, durable before it is answered."""
