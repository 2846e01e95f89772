"""What clients see: types, inputs, query and mutation fields, by noun. No SQL, no rules; role schemas by omission."""
