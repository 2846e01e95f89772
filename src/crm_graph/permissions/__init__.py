"""Who may see and do what: the policy, its rows, principals, and the tokens that prove them."""
