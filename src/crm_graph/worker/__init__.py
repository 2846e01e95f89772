"""What happens later: jobs, schedules and timers, done by loops in a process of their own."""
