"""Rules for calls that disable logs, detectors or retention."""

from __future__ import annotations

from hitlportal.demo.agent import grants
from hitlportal.demo.agent.rules import EVASION, CallRule, calls, request

RULES = (
    CallRule(
        "audit_log_disabled",
        EVASION,
        60,
        calls("cloudtrail", "StopLogging", "DeleteTrail", "DeleteEventDataStore")
        | calls("config", "StopConfigurationRecorder", "DeleteConfigurationRecorder")
        | calls("config", "DeleteDeliveryChannel")
        | calls("guardduty", "DeleteDetector", "StopMonitoringMembers", "DisassociateMembers")
        | calls("guardduty", "DisassociateFromMasterAccount", "DeletePublishingDestination")
        | calls("guardduty", "DisassociateFromAdministratorAccount")
        | calls("securityhub", "DisableSecurityHub", "DeleteMembers")
        | calls("macie2", "DisableMacie")
        | calls("rds", "StopActivityStream")
        | calls("bedrock", "DeleteModelInvocationLoggingConfiguration"),
        "switched off an audit log or a detector",
        request("name", "detectorId"),
        attempt=30,
        after="Restore logging first: while it is off, silence proves nothing.",
    ),
    CallRule(
        "detector_disabled",
        EVASION,
        60,
        calls("guardduty", "UpdateDetector"),
        "disabled the threat detector",
        request("detectorId", "enable"),
        when=grants.detector_switched_off,
        attempt=30,
        after="Enable the detector again.",
    ),
    CallRule(
        "network_log_deleted",
        EVASION,
        50,
        calls("ec2", "DeleteFlowLogs")
        | calls("route53resolver", "DeleteResolverQueryLogConfig")
        | calls("route53resolver", "DisassociateResolverQueryLogConfig")
        | calls("wafv2", "DeleteLoggingConfiguration"),
        "deleted the log of network or DNS traffic",
        (
            ("requestParameters", "DeleteFlowLogsRequest", "FlowLogId", "content"),
            ("requestParameters", "resolverQueryLogConfigId"),
        ),
        attempt=25,
        after="Create the deleted traffic log again.",
    ),
    CallRule(
        "audit_log_narrowed",
        EVASION,
        50,
        calls("cloudtrail", "PutEventSelectors"),
        "narrowed the trail so that changes are no longer recorded",
        (
            ("requestParameters", "trailName"),
            ("requestParameters", "eventSelectors", 0, "includeManagementEvents"),
            ("requestParameters", "eventSelectors", 0, "readWriteType"),
        ),
        when=grants.trail_blinded,
        attempt=25,
        after="Restore the trail's event selectors.",
    ),
    CallRule(
        "short_retention",
        EVASION,
        40,
        calls("s3", "PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
        "set a bucket to delete its objects within days",
        (
            ("requestParameters", "bucketName"),
            ("requestParameters", "LifecycleConfiguration", "Rule", "Expiration", "Days"),
        ),
        when=grants.short_life,
        attempt=15,
        after="Remove the lifecycle rule before it deletes anything.",
    ),
    CallRule(
        "findings_hidden",
        EVASION,
        35,
        calls("guardduty", "CreateFilter", "UpdateFilter", "CreateIPSet", "UpdateIPSet"),
        "changed what the threat detector ignores",
        request("detectorId", "name", "action"),
        attempt=15,
        after="Undo the detector's new filter or list.",
    ),
    CallRule(
        "organisation_left",
        EVASION,
        60,
        calls("organizations", "LeaveOrganization"),
        "tried to take the account out of its organisation",
        attempt=45,
        after="Check that the account is still under the organisation's policies.",
    ),
)
