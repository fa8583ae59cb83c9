"""AWS: accounts as control planes (ECS, Lambda, IAM, ECR, Secrets Manager), and SBOMs that are kept in S3.

boto3 alone talks to it, and is imported when an account is first asked.
"""
