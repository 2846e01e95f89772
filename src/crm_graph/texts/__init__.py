"""What people read, in English and Chinese, by template key; one module for each theme. These texts may change."""
